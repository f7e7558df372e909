"""What SSIMULACRA2 weighs, and how much: see `ssimulacra2`, which says whose numbers they are."""

from __future__ import annotations

from typing import NamedTuple


class Six(NamedTuple):
    """A number for each of what is compared: a weight, or a sum over pixels."""

    ssim_1: float = 0
    ssim_4: float = 0
    artifact_1: float = 0
    artifact_4: float = 0
    detail_1: float = 0
    detail_4: float = 0


SIZES: tuple[dict[str, Six], ...] = (
    {"y": Six(ssim_4=7.466890328078848, detail_4=17.445833984131262)},
    {
        "x": Six(ssim_4=1.1041726426657346),
        "y": Six(ssim_4=6.683678146179332, detail_4=1.027889937768264),
    },
    {
        "x": Six(ssim_4=1.8422455520539298, artifact_4=11.441172603757666),
        "y": Six(ssim_1=225.20515300849274, ssim_4=19.213238186143016),
    },
    {
        "x": Six(ssim_4=1.8787594979546387, artifact_4=10.94906990605142),
        "y": Six(176.39317598450694, 24.43300999870476, artifact_4=0.28520802612117757),
        "b": Six(ssim_4=8.826982764996862, artifact_4=23.19243343998926),
    },
    {
        "x": Six(artifact_1=0.9677937080626833, artifact_4=0.9981766977854967),
        "y": Six(ssim_4=34.77906344483772, artifact_4=44.835625328877896),
        "b": Six(
            ssim_1=95.1080498811086,
            artifact_1=0.9863978034400682,
            artifact_4=171.2667255897307,
            detail_1=0.9834382792465353,
            detail_4=0.9807858872435379,
        ),
    },
)
"""From the finest size on; `x`, `y` and `b` are the channels of XYB."""
