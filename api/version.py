"""Which Atrium this is."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def atrium_version() -> str:
    try:
        return version("atrium")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0"
