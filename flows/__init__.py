"""The sentences of a promotion: stages composed into one flow a branch."""
