"""What a sweep decides about its members: who starts with how much money, and who is stopped. Pure."""
