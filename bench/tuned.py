"""The script of somebody who measures: aiohttp and pybase64, nothing hashed, checked, synced or remembered.

python bench/tuned.py BASE_URL COUNT CONCURRENCY FOLDER [PHOTO...]
"""

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
import pybase64


async def main(base_url: str, count: int, concurrency: int, folder: Path, photos: list[Path]) -> None:
    limiter = asyncio.Semaphore(concurrency)
    connector = aiohttp.TCPConnector(limit=concurrency)
    headers = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session, asyncio.TaskGroup() as tasks:

        async def one(number: int) -> None:
            async with limiter:
                body = {"model": "gpt-image-2", "prompt": f"thing {number}", "size": "1024x1024"}
                form = aiohttp.FormData(body)
                for photo in photos:
                    form.add_field("image[]", photo.read_bytes(), filename=photo.name, content_type="image/png")
                where = f"{base_url}/images/{'edits' if photos else 'generations'}"
                given = {"data": form} if photos else {"json": body}
                async with session.post(where, **given) as answer:
                    answer.raise_for_status()
                    said = json.loads(await answer.read())
                data = pybase64.b64decode(said["data"][0]["b64_json"], validate=True)
                (folder / f"{number}.png").write_bytes(data)

        for number in range(count):
            tasks.create_task(one(number))


if __name__ == "__main__":
    asyncio.run(
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), [Path(name) for name in sys.argv[5:]])
    )
