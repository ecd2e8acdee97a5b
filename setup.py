"""The extensions of the data plane; everything else about the build is in setup.cfg.

A "performance hint" of Cython means that a hot function would take the GIL after each call, so the
build fails on one.
"""

import sys
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Errors
from setuptools import Extension, setup

MODULES = [
    "benches.load",
    "native.consent",
    "native.departures",
    "native.egress",
    "native.estimator",
    "native.feedback",
    "native.history",
    "native.ingress",
    "native.loop",
    "native.notice",
    "native.picture",
    "native.plane",
    "native.pool",
    "native.reception",
    "native.ring",
    "native.seqmap",
    "native.speaker",
    "native.testing",
    "native.twcc",
]

if "bdist_wheel" in sys.argv:  # who installs a wheel runs the server and neither tests nor measures it
    MODULES = [name for name in MODULES if name not in ("benches.load", "native.testing")]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
}


def refuse_hints() -> list[str]:
    """Collect the hints that Cython prints while it translates."""
    hints: list[str] = []
    report = Errors.performance_hint

    def performance_hint(position: object, message: str, env: object) -> object:
        hints.append(f"{position}: {message}")
        return report(position, message, env)

    Errors.performance_hint = performance_hint
    for name in list(sys.modules):
        module = sys.modules[name]
        if name.startswith("Cython.Compiler") and getattr(module, "performance_hint", None) is report:
            module.performance_hint = performance_hint
    return hints


hints = refuse_hints()
extensions = cythonize(
    [
        Extension(name, [name.replace(".", "/") + ".pyx"], extra_compile_args=["-O3", "-g1", "-Wno-unreachable-code"])
        for name in MODULES
        if Path(name.replace(".", "/") + ".pyx").exists()
    ],
    compiler_directives=DIRECTIVES,
)
if hints:
    for name in MODULES:  # or the next build would find them up to date
        Path(name.replace(".", "/") + ".c").unlink(missing_ok=True)
    sys.exit("the build fails on Cython's performance hints:\n" + "\n".join(hints))

setup(ext_modules=extensions)
