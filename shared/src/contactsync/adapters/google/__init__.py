"""Google People (contacts): requests and answers, the contact codec, the client, account metadata, OAuth."""
