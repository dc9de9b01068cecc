"""Search: a URL becomes a Query (parse), a Query becomes one statement (compile, page); a resource becomes index rows (index). Pure."""
