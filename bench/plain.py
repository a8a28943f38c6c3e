"""The script a good engineer would write without `pipeline`: httpx and anyio, a semaphore, pictures to files.

python bench/plain.py BASE_URL COUNT CONCURRENCY FOLDER [PHOTO...]
"""

import base64
import sys
from pathlib import Path

import anyio
import httpx


async def main(base_url: str, count: int, concurrency: int, folder: Path, photos: list[Path]) -> None:
    limiter = anyio.CapacityLimiter(concurrency)
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(timeout=300, limits=limits) as client, anyio.create_task_group() as tasks:

        async def one(number: int) -> None:
            async with limiter:
                body = {"model": "gpt-image-2", "prompt": f"thing {number}", "size": "1024x1024"}
                if photos:
                    files = [("image[]", (photo.name, photo.read_bytes(), "image/png")) for photo in photos]
                    answer = await client.post(f"{base_url}/images/edits", data=body, files=files)
                else:
                    answer = await client.post(f"{base_url}/images/generations", json=body)
                answer.raise_for_status()
                data = base64.b64decode(answer.json()["data"][0]["b64_json"])
                (folder / f"{number}.png").write_bytes(data)

        for number in range(count):
            tasks.start_soon(one, number)


if __name__ == "__main__":
    anyio.run(
        main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), [Path(name) for name in sys.argv[5:]]
    )
