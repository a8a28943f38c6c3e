// What one case of a client saw, as JSON: its answer, or the error it threw.

export async function report(cases) {
  const seen = {};
  for (const [name, look] of Object.entries(cases)) {
    try {
      seen[name] = await look();
    } catch (error) {
      const { status = null, code = null, param = null, message } = error;
      seen[name] = { thrown: error.constructor.name, status, code, param, message };
    }
  }
  process.stdout.write(JSON.stringify(seen));
}

export async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}
