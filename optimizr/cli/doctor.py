"""`optimizr doctor`: what this machine gives, and what to mend."""

from __future__ import annotations

import os
import platform

import psutil

from optimizr import convert
from optimizr._version import __version__
from optimizr.cli.parser import Parser
from optimizr.cli.stdout import write
from optimizr.errors import ConfigError, EnvironmentStop, ExitCode
from optimizr.limits import Limits
from optimizr.machine import Machine
from optimizr.sections import PoolSettings
from optimizr.units import format_size

_SLOW = 2.0
"""Megapixels a second and CPU below which something slows the machine down."""


def main(argv: list[str]) -> int:
    """Print what was found; exit 3 if optimizr could not work here."""
    Parser(
        prog="optimizr doctor", description="Tell what this machine gives, and what to mend."
    ).parse_args(argv)
    mend: list[str] = []
    _say("optimizr", f"{__version__}, Python {platform.python_version()}")
    _say("platform", f"{platform.system()} {platform.release()}, {platform.machine()}")
    machine = Machine()
    works = _libvips(mend)
    if works:
        _speed(mend)
    _cpus(machine, mend)
    works &= _memory(machine, mend)
    for advice in mend:
        _say("to mend", advice)
    return ExitCode.DONE if works else ExitCode.ENVIRONMENT


def _libvips(mend: list[str]) -> bool:
    try:
        convert.start()
    except EnvironmentStop as error:
        _say("libvips", "cannot be loaded")
        mend.append(str(error))
        return False
    from optimizr.convert import check  # only where libvips is there

    _say("libvips", convert.version())
    encoder = convert.encoder()
    _say("encoder", f"{encoder}: {encoder.why}")
    if encoder.name != "libwebp":
        mend.append(
            "encoding takes about a fifth longer than it need: pip install 'optimizr[fast]'"
        )
    readable = check.readable()
    _say("codecs", f"reads {', '.join(readable)}; writes {'webp' * check.can_write() or 'nothing'}")
    works = {"jpeg", "png"} <= set(readable) and check.can_write()
    if not works:
        mend.append("install a libvips with JPEG, PNG and WebP: pip install 'pyvips[binary]'")
    return works


def _cpus(machine: Machine, mend: list[str]) -> None:
    quota = machine.cpu_quota()
    quota_text = "no quota" if quota is None else f"a quota of {quota:g}"
    _say("CPUs", f"{machine.cpus()} to use, of {os.cpu_count()}, {quota_text}")
    if quota is not None and quota < 1:
        mend.append(f"a quota of {quota:g} CPUs makes every picture slow; give at least 1")


def _memory(machine: Machine, mend: list[str]) -> bool:
    limit = machine.memory_limit()
    limit_text = "no limit" if limit is None else f"a limit of {format_size(limit)}"
    total = psutil.virtual_memory().total
    try:
        limits = Limits.of(PoolSettings())
    except ConfigError as error:
        _say("memory", f"{limit_text}, too little")
        mend.append(str(error))
        return False
    _say(
        "memory",
        f"{format_size(limits.memory)} to use, of {format_size(total)}, {limit_text}; "
        f"{format_size(limits.peak.total)} for the largest picture",
    )
    return True


def _speed(mend: list[str]) -> None:
    from optimizr.convert import check  # only where libvips is there

    speed = check.encode_speed()
    _say("encoding", f"{speed:.1f} megapixels/s a CPU, at quality 80 and effort 4")
    if speed < _SLOW:
        mend.append("encoding is slow here: is the CPU shared, throttled or emulated?")


def _say(label: str, text: str) -> None:
    write(f"{label:<10}{text}\n")
