"""How like its original a WebP looks, as a number. Needs NumPy: loaded where it is asked for.

Sample.of(width, height).cut(image) -> pixels      what is looked at
Reference(pixels).look(pixels) -> 0 to 100         SSIMULACRA2
Eye(image).look(webp) -> 0 to 100                  both together, for the WebPs of one picture
"""

from __future__ import annotations

from optimizr.convert.look.eye import Eye
from optimizr.convert.look.sample import MOST_PIXELS, Sample
from optimizr.convert.look.ssimulacra2 import Reference, Rgb

__all__ = ["MOST_PIXELS", "Eye", "Reference", "Rgb", "Sample"]
