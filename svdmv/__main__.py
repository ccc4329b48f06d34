"""`python -m svdmv`."""

from svdmv.cli.main import main

main()
