"""Which rhythm: sinus, atrial fibrillation or flutter, paced or other, and from when to when."""
