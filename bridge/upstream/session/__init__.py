"""One conversation with a vendor, as plain functions: what to say, and what follows from what it says."""
