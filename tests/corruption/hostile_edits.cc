// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include "tests/corruption/hostile_edits.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "table/fst/format.h"

namespace memkv {

namespace {

std::vector<Damage> DamagesOf(const FileField& field) {
  std::vector<Damage> damages;
  switch (field.kind) {
    case FileField::Kind::kVarint:
      damages = {Damage::kLongVarint};
      [[fallthrough]];
    case FileField::Kind::kFixed:
      damages.insert(damages.end(),
                     {Damage::kZero, Damage::kOne, Damage::kOneLess,
                      Damage::kOneMore, Damage::kTwice, Damage::kLargest,
                      Damage::kHostile, Damage::kHostile});
      break;
    case FileField::Kind::kArray:
      damages = {Damage::kWidth, Damage::kBase};
      [[fallthrough]];
    case FileField::Kind::kBits:
      if (!field.numbers.empty()) {
        damages.insert(
            damages.end(),
            {Damage::kElementLargest, Damage::kElementHostile,
             Damage::kElementNear, Damage::kAllEqual, Damage::kDropElement});
      }
      if (field.numbers.size() > 1) damages.push_back(Damage::kExchange);
      break;
    case FileField::Kind::kBytes:
      damages = {Damage::kInsert};
      if (!field.bytes.empty()) {
        damages.insert(damages.end(), {Damage::kFlip, Damage::kCut,
                                       Damage::kFillZeros, Damage::kFillOnes});
      }
      break;
  }
  return damages;
}

std::vector<Damage> DamagesOf(const FilePart& part) {
  std::vector<Damage> damages = {Damage::kCutStored, Damage::kGrowStored,
                                 Damage::kFlipStored};
  if (part.kind != FilePartKind::kFooter) {
    damages.insert(damages.end(), {Damage::kOtherContents, Damage::kElsewhere,
                                   Damage::kCompression});
  }
  if (part.compression != rocksdb::kNoCompression) {
    damages.push_back(Damage::kClaim);
  }
  return damages;
}

std::string HostileBytes(std::mt19937_64* rng, size_t n) {
  std::string bytes(n, '\0');
  // Digits are for what is read as text.
  const uint64_t kind = (*rng)() % 3;
  for (char& c : bytes) {
    c = static_cast<char>(kind == 0 ? 0xff : kind == 1 ? '9' : (*rng)());
  }
  return bytes;
}

uint64_t LargestOf(const FileField& field) {
  size_t bits = 64;
  if (field.kind == FileField::Kind::kFixed) bits = 8 * field.size;
  if (field.kind == FileField::Kind::kBits) bits = field.size;
  return bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
}

}  // namespace

HostileEdits::HostileEdits(const FileFields& file) : file_(file) {
  std::map<std::string, Spot> spots;
  const auto add = [&spots](const std::string& name, size_t part, size_t field,
                            const std::vector<Damage>& damages) {
    if (damages.empty()) return;
    Spot& spot = spots[name];
    spot.name = name;
    spot.at.push_back({part, field});
    for (const Damage damage : damages) {
      if (std::count(spot.damages.begin(), spot.damages.end(), damage) <
          std::count(damages.begin(), damages.end(), damage)) {
        spot.damages.push_back(damage);
      }
    }
  };
  for (size_t p = 0; p < file.parts().size(); ++p) {
    const FilePart& part = file.parts()[p];
    add(std::string("whole ") + NameOf(part.kind), p, FileField::kNone,
        DamagesOf(part));
    for (size_t i = 0; i < part.fields.size(); ++i) {
      add(part.fields[i].name, p, i, DamagesOf(part.fields[i]));
    }
  }
  for (auto& [name, spot] : spots) spots_.push_back(std::move(spot));
}

uint64_t HostileEdits::HostileNumber(std::mt19937_64* rng) const {
  if ((*rng)() % 4 == 0) {
    // About a place in the file.
    const FilePart& part = file_.parts()[(*rng)() % file_.parts().size()];
    const uint64_t sizes[] = {file_.file_size(), part.stored.size(),
                              part.raw.size(), part.fields.size()};
    return sizes[(*rng)() % 4] + (*rng)() % 3 - 1;
  }
  const uint64_t power = uint64_t{1} << (*rng)() % 64;
  return power + (*rng)() % 3 - 1;
}

bool HostileEdits::DamageNumber(const FileField& field, Damage damage,
                                std::mt19937_64* rng, FileEdit* edit) const {
  edit->kind = FileEdit::Kind::kNumber;
  switch (damage) {
    case Damage::kZero:
      edit->number = 0;
      return true;
    case Damage::kOne:
      edit->number = 1;
      return true;
    case Damage::kOneLess:
      edit->number = field.number - 1;
      return true;
    case Damage::kOneMore:
      edit->number = field.number + 1;
      return true;
    case Damage::kTwice:
      edit->number = 2 * field.number;
      return true;
    case Damage::kLargest:
      edit->number = LargestOf(field);
      return true;
    case Damage::kHostile:
      edit->number = HostileNumber(rng);
      return true;
    case Damage::kLongVarint:
      edit->kind = FileEdit::Kind::kLongVarint;
      edit->number = 2 + (*rng)() % 10;
      return true;
    default:
      return false;
  }
}

bool HostileEdits::DamageArray(const FileField& field, Damage damage,
                               std::mt19937_64* rng, FileEdit* edit) const {
  const size_t n = field.numbers.size();
  edit->kind = FileEdit::Kind::kElement;
  switch (damage) {
    case Damage::kWidth: {
      edit->kind = FileEdit::Kind::kWidth;
      const uint64_t widths[] = {0, 1, 7, 57, 58, 63, 64, 65, 128, 255};
      edit->number = widths[(*rng)() % 10];
      return true;
    }
    case Damage::kBase:
      edit->kind = FileEdit::Kind::kBase;
      edit->number = (*rng)() % 2 == 0 ? UINT64_MAX : HostileNumber(rng);
      return true;
    case Damage::kElementLargest:
      edit->number = LargestOf(field);
      return true;
    case Damage::kElementHostile:
      edit->number = HostileNumber(rng);
      return true;
    case Damage::kElementNear:
      edit->number = (n == 0 ? 0 : field.numbers[edit->at]) +
                     ((*rng)() % 2 == 0 ? 1 : UINT64_MAX);
      return true;
    case Damage::kAllEqual:
      edit->kind = FileEdit::Kind::kEqual;
      edit->number = n == 0 || (*rng)() % 3 == 0 ? HostileNumber(rng)
                                                 : field.numbers[edit->at];
      return true;
    case Damage::kExchange:
      edit->kind = FileEdit::Kind::kExchange;
      edit->number = n < 2 ? 0 : (edit->at + 1 + (*rng)() % (n - 1)) % n;
      return true;
    case Damage::kDropElement:
      edit->kind = FileEdit::Kind::kDropNumber;
      return true;
    default:
      return false;
  }
}

bool HostileEdits::DamageBytes(Damage damage, std::mt19937_64* rng,
                               FileEdit* edit) const {
  switch (damage) {
    case Damage::kFlip:
      edit->kind = FileEdit::Kind::kFlip;
      edit->number = (*rng)() % 8;
      return true;
    case Damage::kCut:
      edit->kind = FileEdit::Kind::kCut;
      if ((*rng)() % 3 == 0) edit->at = 0;
      return true;
    case Damage::kInsert:
      edit->kind = FileEdit::Kind::kInsert;
      edit->bytes = HostileBytes(rng, 1 + (*rng)() % 24);
      return true;
    case Damage::kFillZeros:
      edit->kind = FileEdit::Kind::kFill;
      edit->number = 0;
      return true;
    case Damage::kFillOnes:
      edit->kind = FileEdit::Kind::kFill;
      edit->number = 0xff;
      return true;
    default:
      return false;
  }
}

bool HostileEdits::DamagePart(Damage damage, std::mt19937_64* rng,
                              FileEdit* edit) const {
  // The footer is no block.
  const size_t blocks = file_.parts().size() - 1;
  switch (damage) {
    case Damage::kOtherContents:
      edit->kind = FileEdit::Kind::kContents;
      edit->number = (*rng)() % blocks;
      return true;
    case Damage::kElsewhere:
      edit->kind = FileEdit::Kind::kElsewhere;
      edit->number = (*rng)() % blocks;
      return true;
    case Damage::kCutStored:
      edit->kind = FileEdit::Kind::kCutStored;
      if ((*rng)() % 3 == 0) edit->at = 0;
      return true;
    case Damage::kGrowStored:
      edit->kind = FileEdit::Kind::kGrowStored;
      edit->bytes = HostileBytes(rng, 1 + (*rng)() % 24);
      return true;
    case Damage::kFlipStored:
      edit->kind = FileEdit::Kind::kFlipStored;
      edit->number = (*rng)() % 8;
      return true;
    case Damage::kCompression: {
      edit->kind = FileEdit::Kind::kCompression;
      const uint64_t types[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 0x40, 0x7f, 0xff};
      edit->number = types[(*rng)() % 12];
      return true;
    }
    case Damage::kClaim:
      edit->kind = FileEdit::Kind::kClaim;
      edit->number = HostileNumber(rng) & UINT32_MAX;
      return true;
    default:
      return false;
  }
}

FileEdit HostileEdits::Make(const Spot& spot, Damage damage,
                            std::mt19937_64* rng) const {
  const Spot::At at = spot.at[(*rng)() % spot.at.size()];
  const FilePart& part = file_.parts()[at.part];
  const FileField none;
  const FileField& field =
      at.field == FileField::kNone ? none : part.fields[at.field];
  FileEdit edit;
  edit.part = at.part;
  edit.field = at.field;
  const size_t n = field.numbers.size();
  edit.at = n != 0                 ? (*rng)() % n
            : !field.bytes.empty() ? (*rng)() % field.bytes.size()
            : !part.stored.empty() ? (*rng)() % part.stored.size()
                                   : 0;
  if (!DamageNumber(field, damage, rng, &edit) &&
      !DamageArray(field, damage, rng, &edit) &&
      !DamageBytes(damage, rng, &edit) && !DamagePart(damage, rng, &edit)) {
    // A kind of damage that is done nowhere.
    abort();
  }
  return edit;
}

FileEdit HostileEdits::Any(std::mt19937_64* rng) const {
  const Spot& spot = spots_[(*rng)() % spots_.size()];
  return Make(spot, spot.damages[(*rng)() % spot.damages.size()], rng);
}

namespace {

#ifdef NDEBUG
constexpr bool kRocksDbAsserts = false;
#else
constexpr bool kRocksDbAsserts = true;
#endif

bool AbortsRocksDb(const FileFields& file, const FileEdit& edit) {
  switch (edit.kind) {
    case FileEdit::Kind::kCompression:
      return edit.number == rocksdb::kLZ4Compression ||
             edit.number == rocksdb::kLZ4HCCompression;
    case FileEdit::Kind::kClaim:
    case FileEdit::Kind::kFlipStored:
    case FileEdit::Kind::kCutStored:
    case FileEdit::Kind::kGrowStored:
      return file.parts()[edit.part].compression == rocksdb::kLZ4Compression;
    default:
      return false;
  }
}

}  // namespace

bool MakeHostileInput(const FileFields& file,
                      const std::vector<FileEdit>& edits, bool repair,
                      bool agree, size_t file_size, HostileInput* input) {
  input->what =
      repair ? (agree ? "repaired, agreeing" : "repaired") : "not repaired";
  // What leads to a block elsewhere is in other blocks, and these are whole.
  input->repaired = repair;
  for (const FileEdit& edit : edits) {
    if (kRocksDbAsserts && repair && AbortsRocksDb(file, edit)) return false;
    if (edit.kind == FileEdit::Kind::kElsewhere) input->repaired = true;
    input->what += "; " + file.Describe(edit);
  }
  FileWriteOptions options;
  options.repair = repair;
  options.agree = agree && repair;
  options.file_size = file_size;
  input->bytes = file.Write(edits, options);
  if (input->bytes.empty()) return false;
  const size_t size = input->bytes.size();
  const bool fst = size >= kFooterSize &&
                   HasFooterMarker(rocksdb::Slice(
                       input->bytes.data() + size - kFooterSize, kFooterSize));
  return fst || edits.size() == 1;
}

}  // namespace memkv
