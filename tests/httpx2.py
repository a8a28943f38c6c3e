"""`pytest -p tests.httpx2`: every `import httpx` means httpx2, the maintained fork with the same interface."""

import httpx2

httpx2.alias_httpx()
