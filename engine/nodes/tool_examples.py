"""Example questions for the built-in tools: what the choice among many tools is learnt from, as routes are."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "calculator": (
        "What is 12*7?",
        "How much is 15% of 240?",
        "Calculate the square root of 144.",
        "A shirt costs 40 and is reduced by 20 percent. What is the price?",
        "How many minutes are there in 3 days?",
        "If 5 boxes hold 12 apples each, how many apples are there?",
    ),
    "code": (
        "Run this Python code and tell me what it prints.",
        "What does this function return for n = 10?",
        "Write a program that lists the first 20 primes and run it.",
        "Simulate rolling two dice a thousand times.",
        "Sort these names by their length with Python.",
    ),
    "json_format": (
        "Pretty-print this JSON.",
        "Format the JSON with an indent of four spaces.",
        "Make this JSON object readable.",
        "Minify this JSON onto one line.",
        "Sort the keys of this JSON object.",
    ),
    "json_merge": (
        "Merge these two JSON objects.",
        "Combine both configurations into one, the second wins.",
        "Put these objects together into a single JSON object.",
        "Update the first JSON object with the second one.",
        "Join the defaults and the overrides.",
    ),
    "json_parse": (
        "Is this valid JSON?",
        "Check whether this JSON is correct.",
        "Where is the mistake in this JSON?",
        "Parse the JSON in this answer.",
        "Read the JSON out of this text.",
    ),
    "json_query": (
        "Get the field user.name from this JSON.",
        "What is the value of items.0.price in this object?",
        "List the names of all entries in the JSON.",
        "Take the part at a.b out of this JSON.",
        "Which email does the JSON record contain?",
    ),
    "text_case": (
        "Convert this title to upper case.",
        "Write the sentence in lower case.",
        "Turn userName into snake_case.",
        "Make this heading title case.",
        "Change the variable name to camelCase.",
    ),
    "text_extract": (
        "Extract all email addresses from this text.",
        "Find the links in this message.",
        "Which dates are mentioned in the text?",
        "Pull out every number of the report.",
        "List all URLs on this page.",
    ),
    "text_replace": (
        "Replace every foo with bar in this text.",
        "Change all occurrences of the word.",
        "Remove the word very from the sentence.",
        "Substitute commas by semicolons.",
        "Swap the old name for the new one everywhere.",
    ),
    "text_split": (
        "Split this text into sentences.",
        "Divide the article into paragraphs.",
        "Cut the text into pieces of 500 characters.",
        "Separate the list at the commas.",
        "Break this into lines.",
    ),
    "text_stats": (
        "How many words are in this sentence?",
        "Count the characters of the text.",
        "How long is this paragraph?",
        "How many sentences does it have?",
        "Give me the number of lines and words.",
    ),
    "file_list": (
        "Which files are in the folder?",
        "List all markdown files.",
        "Show me what is in the docs directory.",
        "What files do we have in this project?",
        "Are there any text files in the workspace?",
    ),
    "file_read": (
        "Read the file notes.txt.",
        "What is in README.md?",
        "Show me the first 20 lines of the log file.",
        "Summarise the file report.md.",
        "Open config.yaml and explain it.",
    ),
    "file_search": (
        "Which files mention the word budget?",
        "Search the files for TODO.",
        "Find where the function is defined in the project.",
        "In which document is the meeting mentioned?",
        "Look for the phone number in my notes.",
    ),
}
"""Tool id -> questions that it answers."""
