"""Open streams, whatever their transport: what each holds, how it begins, and until when it may stay."""
