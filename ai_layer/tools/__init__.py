"""Tools: what an assistant of somebody else may do with one patient's record. Reads and drafts only; signing is a person's.

table       the tools: names, arguments with their sizes, and what each does
calling     a tool's call -> one FHIR operation under the caller's Access, told in the audit log like any request
serving     the tools over the Model Context Protocol, at /mcp
toolkit     the same tools for LangChain
agent       a LangGraph agent that carries out a request of several steps with them
planning    the steps of such a request, by rule
"""
