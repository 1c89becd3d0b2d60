CREATE TABLE "first_answers" (
	"key" text COLLATE "C" PRIMARY KEY NOT NULL,
	"fingerprint" text NOT NULL,
	"claim" text NOT NULL,
	"answer" text,
	"claimed_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "first_answers_claimed" ON "first_answers" USING btree ("claimed_at");