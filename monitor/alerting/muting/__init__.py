"""What keeps an alert from being told: inhibition, times, silences. One module each."""
