// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// Regular expressions: a parser by recursive descent into a tree, and the tree
// as a program. docs/decisions/0013-searches.md says why the parser is our own.

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugin/memkv_search.h"
#include "view/automaton_program.h"
#include "view/pattern_reader.h"

namespace memkv {

using ROCKSDB_NAMESPACE::Slice;
using ROCKSDB_NAMESPACE::Status;
using view::AutomatonProgram;
using view::ByteSet;
using view::LazyDfa;
using view::PatternReader;

namespace {

// Parentheses within each other: what the stack is deep.
constexpr size_t kMostDepth = 200;
// Of x{n}.
constexpr unsigned kMostTimes = 1000;
constexpr unsigned kForever = UINT32_MAX;

// Only the empty string, unless it says otherwise.
struct Node {
  enum class Kind : uint8_t { kEmpty, kBytes, kSequence, kChoice, kRepeat };

  // Then it has no instruction, however often it is repeated.
  bool empty() const { return kind == Kind::kEmpty; }

  Kind kind = Kind::kEmpty;
  size_t at = 0;  // where in the pattern
  ByteSet bytes;
  std::vector<Node> parts;
  unsigned least = 0;
  unsigned most = 0;
};

class RegexParser {
 public:
  explicit RegexParser(const Slice& pattern)
      : reader_("regular expression", pattern) {}

  Status Parse(Node* node) {
    either_case_ = reader_.Take("(?i)");
    reader_.Take("^");
    if (Choice(node) && !reader_.done()) reader_.Fail(") without (");
    return reader_.status();
  }
  Status TooLong(size_t at) {
    reader_.FailAt(at, "up to here it needs more than " +
                           std::to_string(AutomatonProgram::kMostInstructions) +
                           " instructions");
    return reader_.status();
  }

 private:
  // x|y|z
  bool Choice(Node* node) {
    Node choice;
    choice.kind = Node::Kind::kChoice;
    choice.at = reader_.at();
    do {
      choice.parts.emplace_back();
      if (!Sequence(&choice.parts.back())) return false;
    } while (reader_.Take("|"));
    bool empty = true;
    for (const Node& part : choice.parts) empty &= part.empty();
    if (choice.parts.size() == 1) {
      Node only = std::move(choice.parts[0]);
      *node = std::move(only);
    } else if (!empty) {
      *node = std::move(choice);
    }
    return true;
  }

  bool Sequence(Node* node) {
    Node sequence;
    sequence.kind = Node::Kind::kSequence;
    sequence.at = reader_.at();
    while (!reader_.done() && reader_.peek() != '|' && reader_.peek() != ')') {
      Node part;
      if (!Atom(&part)) return false;
      if (!part.empty()) sequence.parts.push_back(std::move(part));
    }
    if (!sequence.parts.empty()) *node = std::move(sequence);
    return true;
  }

  // One thing, and how often.
  bool Atom(Node* node) {
    node->at = reader_.at();
    const uint8_t byte = reader_.Next();
    node->kind = Node::Kind::kBytes;
    switch (byte) {
      case '(':
        if (!Group(node)) return false;
        break;
      case '[':
        if (!reader_.Brackets(/*escapes=*/true, either_case_, &node->bytes)) {
          return false;
        }
        break;
      case '.':
        node->bytes.set();
        break;
      case '\\':
        if (!reader_.Escape(&node->bytes)) return false;
        break;
      case '*':
      case '+':
      case '?':
      case '{':
        return reader_.FailAt(node->at, std::string("nothing is before ") +
                                            static_cast<char>(byte) +
                                            " that it could repeat");
      case '^':
        return reader_.FailAt(node->at, "^ is taken at the beginning alone");
      case '$':
        // It changes nothing, for keys are matched whole.
        if (reader_.done() && depth_ == 0) {
          *node = Node();
          return true;
        }
        return reader_.FailAt(node->at, "$ is taken at the end alone");
      default:
        node->bytes.set(byte);
    }
    if (node->kind == Node::Kind::kBytes && either_case_) {
      PatternReader::AddOtherCase(&node->bytes);
    }
    return Repeats(node);
  }

  bool Group(Node* node) {
    const size_t begin = node->at;
    if (reader_.Take("?") && !reader_.Take(":")) {
      return reader_.FailAt(begin,
                            "(? is taken as (?: alone, and as (?i) at "
                            "the beginning");
    }
    if (++depth_ > kMostDepth) {
      return reader_.FailAt(begin, "more than " + std::to_string(kMostDepth) +
                                       " parentheses within each other");
    }
    *node = Node();
    node->at = begin;
    if (!Choice(node)) return false;
    --depth_;
    return reader_.Take(")") || reader_.FailAt(begin, "( without )");
  }

  bool Repeats(Node* node) {
    unsigned least = 0;
    unsigned most = kForever;
    const size_t at = reader_.at();
    if (reader_.Take("*")) {
    } else if (reader_.Take("+")) {
      least = 1;
    } else if (reader_.Take("?")) {
      most = 1;
    } else if (reader_.Take("{")) {
      if (!Times(&least, &most)) return false;
    } else {
      return true;
    }
    // Whether few or many are tried first makes no difference to what matches.
    reader_.Take("?");
    if (!reader_.done() && std::strchr("*+?{", reader_.peek()) != nullptr &&
        reader_.peek() != '\0') {
      return reader_.Fail(
          "a repetition is repeated: put the first one into parentheses");
    }
    if (node->empty()) return true;
    Node repeat;
    if (most > 0) {
      repeat.kind = Node::Kind::kRepeat;
      repeat.parts.push_back(std::move(*node));
    }
    repeat.at = at;
    repeat.least = least;
    repeat.most = most;
    *node = std::move(repeat);
    return true;
  }

  // Behind {: n}, n,} or n,m}
  bool Times(unsigned* least, unsigned* most) {
    const size_t begin = reader_.at() - 1;
    if (!Number(least)) return false;
    *most = *least;
    if (reader_.Take(",")) {
      *most = kForever;
      if (!reader_.done() && reader_.peek() != '}' && !Number(most)) {
        return false;
      }
    }
    if (!reader_.Take("}")) return reader_.FailAt(begin, "{ without }");
    return *least <= *most ||
           reader_.FailAt(begin, "the least is more than the most");
  }
  bool Number(unsigned* number) {
    const size_t begin = reader_.at();
    *number = 0;
    while (!reader_.done() && reader_.peek() >= '0' && reader_.peek() <= '9') {
      *number = *number * 10 + (reader_.Next() - '0');
      if (*number > kMostTimes) {
        return reader_.FailAt(begin, "a number of up to " +
                                         std::to_string(kMostTimes) +
                                         " is expected here");
      }
    }
    return reader_.at() > begin ||
           reader_.FailAt(begin,
                          "a number is expected here; a { of the key is "
                          "\\{");
  }

  PatternReader reader_;
  bool either_case_ = false;
  size_t depth_ = 0;
};

// Writes a tree as a program, from its end.
class RegexWriter {
 public:
  using Place = AutomatonProgram::Place;

  bool Write(const Node& root, size_t* too_long_at) {
    program_.set_start(WriteNode(root, program_.Match()));
    *too_long_at = full_at_;
    return !full_;
  }
  AutomatonProgram Take() { return std::move(program_); }

 private:
  Place WriteNode(const Node& node, Place next) {
    if (program_.full()) {
      if (!full_) full_at_ = node.at;
      full_ = true;
    }
    if (full_) return next;
    switch (node.kind) {
      case Node::Kind::kEmpty:
        return next;
      case Node::Kind::kBytes:
        return program_.Bytes(node.bytes, next);
      case Node::Kind::kSequence:
        for (size_t i = node.parts.size(); i > 0; --i) {
          next = WriteNode(node.parts[i - 1], next);
        }
        return next;
      case Node::Kind::kChoice: {
        Place place = WriteNode(node.parts.back(), next);
        for (size_t i = node.parts.size() - 1; i > 0; --i) {
          place = program_.Split(WriteNode(node.parts[i - 1], next), place);
        }
        return place;
      }
      default:
        return WriteRepeat(node, next);
    }
  }

  Place WriteRepeat(const Node& node, Place next) {
    const Node& part = node.parts[0];
    unsigned times = node.least;
    Place place = next;
    if (node.most == kForever) {
      place = program_.Split(0, next);
      const Place again = WriteNode(part, place);
      program_.Join(place, again);
      if (times > 0) {
        place = again;
        --times;
      }
    } else {
      for (unsigned i = node.least; i < node.most && !full_; ++i) {
        place = program_.Split(WriteNode(part, place), next);
      }
    }
    for (; times > 0 && !full_; --times) place = WriteNode(part, place);
    return place;
  }

  AutomatonProgram program_;
  bool full_ = false;
  size_t full_at_ = 0;
};

}  // namespace

Status NewRegexAutomaton(const Slice& pattern,
                         std::unique_ptr<Automaton>* automaton) {
  RegexParser parser(pattern);
  Node root;
  const Status s = parser.Parse(&root);
  if (!s.ok()) return s;
  RegexWriter writer;
  size_t too_long_at = 0;
  if (!writer.Write(root, &too_long_at)) return parser.TooLong(too_long_at);
  *automaton = std::make_unique<LazyDfa>(writer.Take());
  return Status::OK();
}

}  // namespace memkv
