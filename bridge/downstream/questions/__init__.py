"""What streams and single answers both ask of the hub and of the vendors: news, the past, and what was refused."""
