// The AI SDK against a gateway.
// node ai.mjs SUFFIX STRICT_URL LENIENT_URL NEWAPI_URL URL_HOST INPUT.png MASK.png      (SUFFIX: "" or "-newest")

import { readFileSync } from "node:fs";
import { all, report } from "./seen.mjs";

const [suffix, strict, lenient, newapi, urlHost, input, mask] = process.argv.slice(2);
const { generateImage, generateText, streamText } = await import(`ai${suffix}`);
const { createOpenAI } = await import(`@ai-sdk/openai${suffix}`);
const { createOpenAICompatible } = await import(`@ai-sdk/openai-compatible${suffix}`);

const told = (baseURL, more = {}) => ({ baseURL, apiKey: "sk-test", name: "gateway", ...more });
const official = createOpenAI(told(strict));
const asked = { prompt: "a teal mug", size: "1024x1024", maxRetries: 0 };
const pictures = ({ images, usage }) => ({ images: images.map(({ base64, mediaType }) => ({ base64, mediaType })), usage });
const draw = async (model, more = {}) => pictures(await generateImage({ ...asked, model, ...more }));
const compatible = (baseURL) => createOpenAICompatible(told(baseURL)).imageModel("gpt-image-2");

// As Chatbox does when its API path is set to the images route: the chat body goes there.
const misdirected = createOpenAICompatible(
  told(strict, { fetch: (url, init) => fetch(String(url).replace("/chat/completions", "/images/generations"), init) }),
);

async function streamed(model) {
  const events = await all(streamText({ model, prompt: "a teal mug", maxRetries: 0 }).fullStream);
  return {
    text: events.filter(({ type }) => type === "text-delta").map(({ text, delta }) => text ?? delta).join(""),
    finish: events.find(({ type }) => type === "finish")?.finishReason ?? null,
    errors: events.filter(({ type }) => type === "error").map(({ error }) => String(error?.message ?? error)),
  };
}

await report({
  official: () => draw(official.image("gpt-image-2"), { n: 2, providerOptions: { openai: { quality: "low" } } }),
  official_edit: () =>
    draw(official.image("gpt-image-2"), {
      prompt: { text: "a red collar", images: [readFileSync(input)], mask: readFileSync(mask) },
    }),
  official_edit_several: () =>
    draw(official.image("gpt-image-2"), {
      prompt: { text: "both on a table", images: [readFileSync(input), readFileSync(input)] },
    }),
  official_on_url_host: () => draw(createOpenAI(told(urlHost)).image("gpt-image-2")),
  official_refused: () => draw(official.image("gpt-image-2"), { prompt: "[[fault:moderation]]" }),
  compatible_strict: () => draw(compatible(strict)),
  compatible_lenient: () => draw(compatible(lenient)),
  compatible_newapi: () => draw(compatible(newapi)),
  compatible_url_host: () => draw(compatible(urlHost)),
  compatible_edit: () =>
    draw(compatible(lenient), { prompt: { text: "both on a table", images: [readFileSync(input), readFileSync(input)] } }),
  chat: async () => {
    const model = createOpenAICompatible(told(lenient))("gemini-3-pro-image");
    const { text, finishReason, usage } = await generateText({ model, prompt: "a teal mug", maxRetries: 0 });
    return { text, finish: finishReason, usage };
  },
  chat_stream: () => streamed(createOpenAICompatible(told(lenient))("gemini-3-pro-image")),
  chat_on_the_images_route: () => streamed(misdirected("gpt-image-2")),
});
