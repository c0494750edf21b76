"""The village: the made-up world whose skills the course's language models know and learn."""
