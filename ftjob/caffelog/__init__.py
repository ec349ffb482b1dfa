"""What Caffe says in its log, and what that means for whoever reads it: pure, text in, sentences out."""
