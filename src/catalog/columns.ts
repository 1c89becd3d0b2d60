import { customType, timestamp } from "drizzle-orm/pg-core";

/** Text that compares by bytes whatever the database's locale: identifiers, and what is sorted by. */
export const key = customType<{ data: string }>({ dataType: () => 'text COLLATE "C"' });

export const time = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });
