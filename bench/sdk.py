"""The same script on the openai package: its AsyncOpenAI, a limiter, pictures to files.

python bench/sdk.py BASE_URL COUNT CONCURRENCY FOLDER [PHOTO...]
"""

import base64
import sys
from pathlib import Path

import anyio
from openai import AsyncOpenAI, RateLimitError


async def main(base_url: str, count: int, concurrency: int, folder: Path, photos: list[Path]) -> None:
    limiter = anyio.CapacityLimiter(concurrency)
    async with AsyncOpenAI(base_url=base_url, api_key="none") as client, anyio.create_task_group() as tasks:

        async def one(number: int) -> None:
            async with limiter:
                model, prompt = "gpt-image-2", f"thing {number}"
                try:
                    if photos:
                        given = [(photo.name, photo.read_bytes(), "image/png") for photo in photos]
                        answer = await client.images.edit(model=model, prompt=prompt, image=given, size="1024x1024")
                    else:
                        answer = await client.images.generate(model=model, prompt=prompt, size="1024x1024")
                except RateLimitError:
                    return  # after its own retries: that picture is missing in the end
                assert answer.data
                (folder / f"{number}.png").write_bytes(base64.b64decode(answer.data[0].b64_json or ""))

        for number in range(count):
            tasks.start_soon(one, number)


if __name__ == "__main__":
    anyio.run(
        main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), [Path(name) for name in sys.argv[5:]]
    )
