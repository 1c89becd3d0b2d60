import { defineConfig } from "drizzle-kit";

// Paths are relative to where npm runs: the root of the project.
export default defineConfig({
  dialect: "postgresql",
  schema: [
    "./src/catalog/schema.ts",
    "./src/catalog/policy-schema.ts",
    "./src/catalog/task-schema.ts",
    "./src/catalog/fill-schema.ts",
    "./src/catalog/first-answer-schema.ts",
    "./src/catalog/audit-schema.ts",
    "./src/catalog/superseded-schema.ts",
  ],
  out: "./drizzle",
});
