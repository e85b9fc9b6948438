"""Scipion objects of this plugin."""

import os

from pwem.objects import EMObject
from pyworkflow.object import Float, Integer, String


class GaussianModel(EMObject):
    """A neutral Gaussian mixture: the molecule at rest, as a sum of 3-D Gaussians.

    Holds paths of the engine's run folder and the figures people ask for; the Gaussians
    themselves stay on disk (mmCIF, one pseudo-atom each, in the frame of the map).
    """

    def __init__(self, runFolder=None, **kwargs):
        EMObject.__init__(self, **kwargs)
        self._runFolder = String(runFolder)
        self._fileName = String()
        self._mapFileName = String()
        self._numberOfGaussians = Integer()
        self._resolution = Float()
        self._samplingRate = Float()
        self._meanFsc = Float()

    def getRunFolder(self):
        """Folder of `gmmflex neutral`, relative to the project."""
        return self._runFolder.get()

    def getFileName(self):
        """mmCIF with one pseudo-atom per Gaussian."""
        return self._fileName.get()

    def getMapFileName(self):
        """MRC map of the mixture."""
        return self._mapFileName.get()

    def setFiles(self, fileName, mapFileName):
        self._fileName.set(fileName)
        self._mapFileName.set(mapFileName)

    def getFiles(self):
        return [self.getFileName(), self.getMapFileName()]

    def getNumberOfGaussians(self):
        return self._numberOfGaussians.get()

    def setNumberOfGaussians(self, number):
        self._numberOfGaussians.set(number)

    def getResolution(self):
        """Resolution in Å up to which the mixture was built."""
        return self._resolution.get()

    def setResolution(self, resolution):
        self._resolution.set(resolution)

    def getSamplingRate(self):
        """Pixel size in Å of the map of the mixture."""
        return self._samplingRate.get()

    def setSamplingRate(self, samplingRate):
        self._samplingRate.set(samplingRate)

    def getMeanFsc(self):
        """Mean FSC of mixture against map up to the resolution; None without a map."""
        return self._meanFsc.get()

    def setMeanFsc(self, meanFsc):
        self._meanFsc.set(meanFsc)

    def exists(self):
        return bool(self.getFileName()) and os.path.exists(self.getFileName())

    def __str__(self):
        if not self._numberOfGaussians.hasValue():
            return "GaussianModel (empty)"
        text = f"GaussianModel ({self.getNumberOfGaussians()} Gaussians"
        if self._resolution.hasValue():
            text += f", {self.getResolution():.1f} Å"
        if self._samplingRate.hasValue():
            text += f", {self.getSamplingRate():.2f} Å/px"
        if self._meanFsc.hasValue():
            text += f", mean FSC {self.getMeanFsc():.3f}"
        return text + ")"
