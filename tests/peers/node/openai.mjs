// The official openai package against a gateway of the profile `openai`.
// node openai.mjs PACKAGE BASE_URL INPUT.png MASK.png

import { createReadStream, readFileSync } from "node:fs";
import { File } from "node:buffer";
import { all, report } from "./seen.mjs";

globalThis.File ??= File; // Node 18 has it in node:buffer alone

const [name, baseURL, input, mask] = process.argv.slice(2);
const { default: OpenAI, toFile } = await import(name);
const client = new OpenAI({ baseURL, apiKey: "sk-test", maxRetries: 0 });
const patient = new OpenAI({ baseURL, apiKey: "sk-test" });
const root = baseURL.replace(/\/v1$/, "");
const model = "gpt-image-2";
const cheap = { model, size: "1024x1024", quality: "low" };
const png = (path) => toFile(readFileSync(path), "input.png", { type: "image/png" });
const faulty = (fault, asked = client) => () => asked.images.generate({ ...cheap, prompt: `[[fault:${fault}]]` });

async function stats() {
  return (await fetch(`${root}/_gateway/stats`)).json();
}

await report({
  generate: () => client.images.generate({ ...cheap, prompt: "a cat on the moon", n: 2 }),
  transparent: () =>
    client.images.generate({ ...cheap, prompt: "a logo", background: "transparent", output_format: "webp" }),
  edit_one: async () => client.images.edit({ ...cheap, image: await png(input), prompt: "a red collar" }),
  edit_several: async () =>
    client.images.edit({ ...cheap, image: [await png(input), await png(input)], prompt: "both on a table" }),
  edit_mask: async () =>
    client.images.edit({ ...cheap, image: await png(input), mask: await png(mask), prompt: "a parrot" }),
  edit_nameless: () => client.images.edit({ ...cheap, image: createReadStream(input), prompt: "no type" }),
  stream: async () =>
    all(await client.images.generate({ ...cheap, prompt: "a dog", stream: true, partial_images: 2 })),
  stream_edit: async () =>
    all(await client.images.edit({ ...cheap, image: await png(input), prompt: "a hat", stream: true })),
  stream_error: async () =>
    all(await client.images.generate({ ...cheap, prompt: "[[fault:stream_error]]", stream: true })),
  unknown_parameter: () => client.images.generate({ ...cheap, prompt: "a cat", response_format: "b64_json" }),
  bad_size: () => client.images.generate({ ...cheap, prompt: "a cat", size: "1920x1080" }),
  unknown_model: () => client.images.generate({ ...cheap, prompt: "a cat", model: "gpt-imag-2" }),
  moderation: faulty("moderation"),
  key: faulty("401"),
  verification: faulty("unverified"),
  quota_403: faulty("403"),
  conflict: faulty("409"),
  too_large: faulty("413"),
  unprocessable: faulty("422"),
  rate: faulty("rate_limit"),
  quota: faulty("insufficient_quota"),
  server: faulty("500"),
  proxy: faulty("524"),
  drop: faulty("drop"),
  truncated: faulty("truncated"),
  models: async () => (await all(client.models.list())).map((model) => model.id),
  one_model: () => client.models.retrieve(model),
  chat: () =>
    client.chat.completions.create({ model: "gemini-3-pro-image", messages: [{ role: "user", content: "a cat" }] }),
  chat_stream: async () =>
    all(
      await client.chat.completions.create({
        model: "gemini-3-pro-image",
        messages: [{ role: "user", content: "a cat" }],
        stream: true,
      }),
    ),
  naive_retries: async () => {
    const before = await stats();
    await faulty("500", patient)().catch(() => null);
    const after = await stats();
    return { requests: after.requests - before.requests };
  },
  waits_as_told: async () => {
    const before = await stats();
    const answer = await faulty("rate_limit once", patient)();
    const after = await stats();
    return { requests: after.requests - before.requests, pictures: answer.data.length };
  },
});
