"""The rehearsal kit: a real broker, a scripted partner and a generator of payment events."""
