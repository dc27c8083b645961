# SPDX-License-Identifier: Apache-2.0
"""`python -m innerwarden` is the same as the installed command."""

from innerwarden.ctl.main import main

if __name__ == "__main__":
    main()
