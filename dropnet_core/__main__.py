"""python -m dropnet_core"""

import sys

from dropnet_core.pages.command_line import main

if __name__ == "__main__":
    sys.exit(main())
