"""`python -m api` is the command `atrium`."""

from api.commands import main

main()
