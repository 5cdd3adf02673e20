"""A painted stand-in for the paper's corpus, which cannot be passed on: its labels and layout.

``company`` says which labels go together, ``picture`` paints, ``corpus`` writes a data set.
"""

from toolkit.data.synth.company import scenes
from toolkit.data.synth.corpus import synthesise
from toolkit.data.synth.picture import paint

__all__ = ["paint", "scenes", "synthesise"]
