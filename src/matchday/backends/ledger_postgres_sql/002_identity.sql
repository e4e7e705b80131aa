-- needs: 1
-- Whose ledger it is cannot be told by a name that two may have. Its own id is made here, once; ``log`` is the id of the
-- log that it goes with, remembered when a process first opens both.
ALTER TABLE platform ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(), ADD COLUMN log text;
