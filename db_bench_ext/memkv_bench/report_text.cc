// Copyright (c) the memkv authors.  All rights reserved.
// Licensed under the Apache License, Version 2.0; see LICENSE.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "db_bench_ext/memkv_bench/report.h"

namespace memkv {

using Json = nlohmann::ordered_json;
using rocksdb::Status;

namespace {

// Three significant digits.
std::string Digits(double value) {
  return Format(value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value);
}

std::string Scaled(double value, double base,
                   std::initializer_list<const char*> units) {
  const char* last = "";
  for (const char* unit : units) {
    last = unit;
    if (value < 1000 || unit == *(units.end() - 1)) {
      break;
    }
    value /= base;
  }
  return Digits(value) + (*last == '\0' ? "" : std::string(" ") + last);
}

std::string Pad(const std::string& text, int width) {
  return Format("%*s", width, text.c_str());
}

// One row a workload or size, one column a configuration.
class Table {
 public:
  explicit Table(const Json& document) {
    for (const Json& config : document.at("configs")) {
      names_.push_back(config.at("name"));
    }
  }

  std::string Header(const std::string& title) const {
    std::string text = Format("%-30s", title.c_str());
    for (size_t i = 0; i < names_.size(); i++) {
      text += i == 0 ? Pad(names_[i], 18) : Pad(names_[i], 36);
    }
    return text + "\n";
  }

  // `results` are of one workload or size; `show` makes a cell of one.
  template <typename Show>
  std::string Row(const std::string& title, const Json& results,
                  const Show& show) const {
    std::string text = Format("%-30s", title.c_str());
    for (size_t i = 0; i < names_.size(); i++) {
      const Json* result = Find(results, names_[i]);
      text += Pad(result == nullptr ? "-" : show(*result), 18);
      if (i > 0) {
        const bool compared =
            result != nullptr && result->contains("times_as_good");
        text +=
            "  " +
            Format("%-16s",
                   compared
                       ? ShowComparison((*result).at("times_as_good")).c_str()
                       : "");
      }
    }
    while (text.back() == ' ') {
      text.pop_back();
    }
    return text + "\n";
  }

 private:
  static const Json* Find(const Json& results, const std::string& config) {
    for (const Json& result : results) {
      if (result.at("config") == config) {
        return &result;
      }
    }
    return nullptr;
  }

  std::vector<std::string> names_;
};

std::string Workloads(const Json& document, const Table& table) {
  if (!document.contains("workloads")) {
    return "";
  }
  std::string text = table.Header("TIME (median, spread)");
  for (const Json& workload : document.at("workloads")) {
    const std::string name = workload.at("name");
    const std::string unit = workload.at("unit");
    text += table.Row(name + ", " + unit.substr(3) +
                          (workload.at("clock") == "wall" ? " (wall)" : ""),
                      workload.at("results"), [](const Json& result) {
                        return ShowNanos(result.at("median")) +
                               Format(" %3.0f%%",
                                      100 * result.at("spread").get<double>());
                      });
  }
  bool any = false;
  for (const Json& workload : document.at("workloads")) {
    const std::string name = workload.at("name");
    const Json& results = workload.at("results");
    if (!results[0].contains("latency")) {
      continue;
    }
    if (!any) {
      text += "\n" + table.Header("LATENCY us: p50 / p99 / p99.9");
      any = true;
    }
    Json bare = results;
    for (Json& result : bare) {
      result.erase("times_as_good");
    }
    text += table.Row(name, bare, [](const Json& result) {
      if (!result.contains("latency")) {
        return std::string("-");
      }
      auto micros = [&result](const char* name_of) {
        return Digits(result.at("latency").at(name_of).get<double>() / 1000);
      };
      return micros("p50") + "/" + micros("p99") + "/" + micros("p999");
    });
  }
  return text;
}

// What was read from files, of the workloads that say so.
std::string FilesRead(const Json& document, const Table& table) {
  std::string text;
  for (const Json& workload : ReadingWorkloads(document)) {
    if (text.empty()) {
      text = "\n" + table.Header("READ FROM FILES: bytes / reads");
    }
    const std::string unit = workload.at("unit");
    text += table.Row(
        workload.at("name").get<std::string>() + ", " + unit.substr(3),
        workload.at("results"), [](const Json& result) {
          return ShowBytes(result.at("bytes_read")) + " /" +
                 Format("%5.2f", result.at("reads").get<double>());
        });
  }
  return text;
}

std::string SizesOf(const Json& document, const Table& table) {
  if (!document.contains("sizes")) {
    return "";
  }
  std::string text = "\n" + table.Header("SIZE, bytes a key");
  static constexpr std::pair<const char*, const char*> kTitles[] = {
      {"disk", "table files"},
      {"memory", "memory, everything read"},
      {"memtable", "memory of a memtable"}};
  for (const auto& [what, title] : kTitles) {
    if (!document.at("sizes").contains(what)) {
      continue;
    }
    const Json& sizes = document.at("sizes").at(what);
    text += table.Row(title, sizes, [](const Json& result) {
      return Digits(result.at("bytes_a_key")) + " B";
    });
    // Components in the order of their first appearance.
    std::vector<std::string> names;
    for (const Json& size : sizes) {
      for (const Json& component : size.at("components")) {
        const std::string name = component.at("name");
        if (std::find(names.begin(), names.end(), name) == names.end()) {
          names.push_back(name);
        }
      }
    }
    for (const std::string& name : names) {
      Json bare = sizes;
      for (Json& size : bare) {
        size.erase("times_as_good");
      }
      const std::string shown = name.substr(0, name.find(':'));
      text += table.Row("  " + shown, bare, [&name](const Json& size) {
        for (const Json& component : size.at("components")) {
          if (component.at("name") == name) {
            return Digits(component.at("bytes").get<double>() /
                          size.at("records").get<double>()) +
                   " B";
          }
        }
        return std::string("-");
      });
    }
  }
  return text;
}

std::string Verdicts(const Json& document) {
  if (document.at("configs").size() < 2) {
    return "";
  }
  std::map<std::string, std::map<std::string, std::string>> by_config;
  auto note = [&by_config](const std::string& title, const Json& results) {
    for (const Json& result : results) {
      if (result.contains("times_as_good") &&
          !result.at("times_as_good").is_null()) {
        std::string& list = by_config[result.at("config")]
                                     [result.at("times_as_good").at("verdict")];
        list += (list.empty() ? "" : ", ") + title;
      }
    }
  };
  if (document.contains("workloads")) {
    for (const Json& workload : document.at("workloads")) {
      note(workload.at("name"), workload.at("results"));
    }
  }
  if (document.contains("sizes")) {
    for (const auto& item : document.at("sizes").items()) {
      note(item.key(), item.value());
    }
  }
  const std::string baseline = document.at("configs")[0].at("name");
  std::string text = "\n";
  for (auto& [config, lists] : by_config) {
    text += config + " against " + baseline + "\n";
    for (const char* verdict : {"better", "worse", "same"}) {
      const std::string& list = lists[verdict];
      text +=
          Format("  %-7s", verdict) + (list.empty() ? "nowhere" : list) + "\n";
    }
  }
  return text;
}

std::string Agreement(const Json& document) {
  const std::string sentence = AgreementSentence(document);
  if (sentence.empty()) {
    return "";
  }
  std::string text = "\n" + sentence + "\n";
  for (const Json& one : document.at("agreement").at("differing")) {
    text +=
        Format("  %-40s %6.2fx, then %6.2fx\n",
               (one.at("what").get<std::string>() + ", " +
                one.at("config").get<std::string>())
                   .c_str(),
               one.at("first").get<double>(), one.at("second").get<double>());
  }
  return text;
}

}  // namespace

std::string ShowNanos(double nanos) {
  return Scaled(nanos, 1000, {"ns", "us", "ms", "s"});
}

std::string ShowBytes(double bytes) {
  return Scaled(bytes, 1000, {"B", "kB", "MB", "GB", "TB"});
}

std::string ShowCount(double count) {
  return Scaled(count, 1000, {"", "K", "M", "G"});
}

std::string ShowWhole(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::vector<Json> ReadingWorkloads(const Json& document) {
  std::vector<Json> reading;
  for (Json workload : document.value("workloads", Json::array())) {
    bool any = false;
    for (Json& result : workload.at("results")) {
      any = any || result.value("bytes_read", 0.0) > 0;
      result["times_as_good"] =
          result.value("bytes_read_times_as_good", Json(nullptr));
    }
    if (any) {
      reading.push_back(std::move(workload));
    }
  }
  return reading;
}

size_t PlaceOf(const Json& document, const Json& config) {
  const Json& configs = document.at("configs");
  size_t place = 0;
  while (place < configs.size() && configs[place].at("name") != config) {
    place++;
  }
  return place;
}

bool IsLimited(const Json& document) {
  return document.at("settings").at("memory_limit") > 0;
}

std::string LookUpField(const Json& document, const std::string& prefix) {
  return prefix + (IsLimited(document) ? "get_wall_nanos" : "get_cpu_nanos");
}

std::string LimitSentence(const Json& document) {
  if (!IsLimited(document)) {
    return "";
  }
  // Of each configuration what it had at most, and what jemalloc says of that.
  std::map<std::string, std::pair<double, double>> most;
  auto note = [&most](const Json& config, double limited, const Json& all) {
    auto& one = most[config.get<std::string>()];
    if (limited >= one.first) {
      one = {limited, all.is_null() ? 0 : all.get<double>()};
    }
  };
  for (const Json& memory :
       document.value("sizes", Json::object()).value("memory", Json::array())) {
    double limited = 0;
    for (const Json& component : memory.at("components")) {
      if (component.at("name") == "table readers" ||
          component.at("name") == "block cache") {
        limited += component.at("bytes").get<double>();
      }
    }
    note(memory.at("config"), limited, memory.at("total"));
  }
  for (const char* section : {"scale", "delta"}) {
    for (const Json& run :
         document.value(section, Json::object()).value("runs", Json::array())) {
      for (const Json& point : run.at("points")) {
        for (const std::string prefix : {"", "settled_"}) {
          if (point.contains(prefix + "block_cache_bytes")) {
            note(run.at("config"),
                 point.at(prefix + "block_cache_bytes").get<double>() +
                     point.at(prefix + "table_reader_bytes").get<double>(),
                 nullptr);
          }
        }
      }
    }
  }
  std::string text;
  for (const Json& config : document.at("configs")) {
    const std::string name = config.at("name");
    const auto found = most.find(name);
    if (found == most.end()) {
      continue;
    }
    const auto& [limited, all] = found->second;
    text += (text.empty()
                 ? "Of a limit of " +
                       ShowBytes(document.at("settings").at("memory_limit")) +
                       ", table readers and block cache had "
                 : ", ") +
            ShowBytes(limited) + " in " + name +
            (all == 0 ? "" : " (all of it " + ShowBytes(all) + " by jemalloc)");
  }
  return text.empty() ? "" : text + ".";
}

std::string AgreementSentence(const Json& document) {
  if (!document.contains("agreement")) {
    return "";
  }
  const Json& agreement = document.at("agreement");
  auto percent = [](const Json& part) {
    return Format("%.0f %%", 100 * part.get<double>());
  };
  return ShowWhole(agreement.at("agree")) + " of " +
         ShowWhole(agreement.at("ratios")) + " ratios agree within " +
         percent(agreement.at("within")) + " with those of a run before, of " +
         agreement.at("with").get<std::string>() +
         (agreement.at("ratios") == 0
              ? ""
              : "; the largest difference is " +
                    percent(agreement.at("largest_difference")) + " (" +
                    agreement.at("largest_of").get<std::string>() + ")") +
         ".";
}

std::string ShowTimes(const Json& times_as_good) {
  return times_as_good.is_null()
             ? ""
             : Format("%.2fx", times_as_good.at("median").get<double>());
}

std::string ShowFactor(const Json& times_as_good) {
  const double times = times_as_good.at("median");
  return Format("%.2fx", times < 1 ? 1 / times : times);
}

std::string ShowComparison(const Json& times_as_good) {
  if (times_as_good.is_null()) {
    return "";
  }
  const double times = times_as_good.at("median");
  const std::string verdict = times_as_good.at("verdict");
  if (verdict == "better") {
    return ShowFactor(times_as_good) + " better";
  }
  if (verdict == "worse") {
    return ShowFactor(times_as_good) + " WORSE";
  }
  return Format("same (%.2fx)", times);
}

std::string TextReport(const Json& document) {
  const Table table(document);
  std::string text;
  if (!document.at("keys").is_null()) {
    const Json& keys = document.at("keys");
    text += ShowWhole(keys.at("count")) + " keys, " +
            Digits(keys.at("mean_length")) + " bytes long, " +
            Digits(keys.at("mean_shared_prefix")) +
            " shared with the neighbour; values of " +
            Digits(keys.at("value_bytes").get<double>() /
                   std::max(1.0, keys.at("count").get<double>())) +
            " bytes\n  from " + keys.at("description").get<std::string>() +
            "\n";
  }
  for (const Json& config : document.at("configs")) {
    text += "  " + config.at("name").get<std::string>() + ": " +
            config.at("options").get<std::string>() + "\n";
  }
  const Json& machine = document.at("machine");
  text +=
      "  on " + machine.at("cpu").get<std::string>() + ", " +
      std::to_string(machine.at("cpus").get<uint64_t>()) + " CPUs, " +
      ShowBytes(machine.at("memory_bytes")) + ", RocksDB " +
      document.at("rocksdb").get<std::string>() + ", " +
      std::to_string(document.at("settings").at("threads").get<uint64_t>()) +
      " threads, " +
      std::to_string(document.at("settings").at("repeat").get<uint64_t>()) +
      " repeats\n\n";
  const std::string limit = LimitSentence(document);
  text += Workloads(document, table) + FilesRead(document, table) +
          SizesOf(document, table) + (limit.empty() ? "" : limit + "\n") +
          Verdicts(document) + ScaleText(document) + DeltaText(document) +
          Agreement(document);
  if (!document.at("complete").get<bool>()) {
    text += "\nThe run was STOPPED: this is what had been measured.\n";
  }
  return text;
}

Status WriteReport(const std::string& path, const std::string& text) {
  FILE* const out = path == "-" ? stdout : std::fopen(path.c_str(), "w");
  if (out == nullptr) {
    return Status::IOError("cannot write " + path, std::strerror(errno));
  }
  bool ok = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  ok = (path == "-" ? std::fflush(out) : std::fclose(out)) == 0 && ok;
  return ok ? Status::OK()
            : Status::IOError("writing " + path, std::strerror(errno));
}

}  // namespace memkv
