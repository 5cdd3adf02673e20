"""Writers: one file a label format, for labels that go out."""
