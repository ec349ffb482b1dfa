"""What people see: values come in, tables, bars and lines go out."""
