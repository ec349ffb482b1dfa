"""What CI shows of a run: a pull request's comment, JUnit's XML."""
