"""`python -m connector` is `airship-connector`."""

from connector.cli.main import main

main()
