"""The hot loops, as plain code over arrays that is compiled to machine code; a test holds each to a reference."""
