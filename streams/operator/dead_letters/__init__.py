"""Dead letters: which are meant, what a replay of them would do, and the replay; a delivered notification sent again."""
