"""What the model can do, measured on dev: captions, styles, new words, questions and clips, mostly from shots."""
