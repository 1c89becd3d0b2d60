// Fails before it is ready.
throw new Error("no catalog today");
