"""What Caffe writes into its log, and what that means for the reader: pure, text in, sentences out."""
