"""The same script on the openai package: its AsyncOpenAI, a limiter, pictures to files.

python bench/sdk.py BASE_URL COUNT CONCURRENCY FOLDER
"""

import base64
import sys
from pathlib import Path

import anyio
from openai import AsyncOpenAI


async def main(base_url: str, count: int, concurrency: int, folder: Path) -> None:
    limiter = anyio.CapacityLimiter(concurrency)
    async with AsyncOpenAI(base_url=base_url, api_key="none") as client, anyio.create_task_group() as tasks:

        async def one(number: int) -> None:
            async with limiter:
                answer = await client.images.generate(model="gpt-image-2", prompt=f"thing {number}", size="1024x1024")
                assert answer.data
                (folder / f"{number}.png").write_bytes(base64.b64decode(answer.data[0].b64_json or ""))

        for number in range(count):
            tasks.start_soon(one, number)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
