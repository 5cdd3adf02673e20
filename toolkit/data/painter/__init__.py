"""A procedural painter of small photograph-like scenes: one set of labels in, one picture out.

``palette`` and ``canvas`` are the tools; ``sky`` to ``things`` each know how to draw one kind of
matter; ``backdrops`` and ``places`` set a scene, ``compose`` puts the subjects in, and ``camera``
takes the photograph. It needs nothing but numpy and Pillow.
"""

from toolkit.data.painter.compose import paint

__all__ = ["paint"]
