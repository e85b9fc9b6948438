"""How people write parts, levels of anchors and chains; needs neither Scipion nor torch."""
