"""`python -m ssrflow_ros` is `ssrflow`."""

import sys

from .cli.main import main

sys.exit(main())
