"""The engine half: PyTorch code that never imports pyworkflow or pwem."""
